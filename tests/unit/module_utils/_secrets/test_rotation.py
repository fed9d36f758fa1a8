# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rotations in memory: what they end with, and what a kill at any write leaves for the next run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.campaign import Campaign, Course
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import (
    Credential,
    Holdings,
    Phase,
    SecretVersion,
)
from ansible_collections.keelson.ops.plugins.module_utils._secrets.plan import Action

from tests.unit.module_utils._secrets.world import START, Fate, KilledError, World

HOUR = timedelta(hours=1)
SHAPES: list[dict[str, Any]] = [
    {},
    {"overlaps": False},
    {"announce_seconds": 5.0},
    {"empty": True},
    {"empty": True, "overlaps": False},
]


def test_what_is_too_old_is_rotated_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    course = world.run()
    assert (course.decision.action, course.changed) == (Action.ROTATE, True)
    assert world.shelf.current() != "old"
    assert world.is_sound()
    writes = world.fate.writes
    assert world.run().changed is False
    assert world.fate.writes == writes


def test_what_is_young_enough_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run(max_age=timedelta(days=101)).changed is False
    assert world.run(state="present").changed is False
    assert world.fate.writes == 0


def test_a_look_writes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "state")
    course = Course(world.rotation())
    Campaign([course], world.app, world.time).preview()
    assert course.decision.reason == "100 d old, 90 d allowed"
    assert world.fate.writes == 0
    assert not (tmp_path / "state").exists()


def test_missing_secret_is_made(tmp_path: Path) -> None:
    world = World(tmp_path, empty=True)
    assert world.run(state="present").decision.action is Action.CREATE
    assert world.is_sound()


def test_first_version_that_the_store_makes_current_by_itself_is_set_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, empty=True, fate=Fate(die_at=1, after=True))
    world.shelf.first_is_current = True
    with pytest.raises(KilledError):
        world.run()
    assert world.door.accepted == []
    world.run()
    assert world.is_sound()


def test_secret_in_use_is_adopted_after_it_was_tried(tmp_path: Path) -> None:
    world = World(tmp_path, empty=True)
    world.door.accepted = ["in use"]
    with pytest.raises(OpsError, match="given as initial does not work"):
        world.run(initial="mistyped", has_initial=True)
    assert world.run(initial="in use", has_initial=True).decision.action is Action.ADOPT
    assert (world.shelf.current(), world.door.accepted) == ("in use", ["in use"])


def test_old_secret_works_until_the_overlap_is_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.run(overlap=HOUR).phase is Phase.APPLIED
    assert world.door.accepted[0] == "old"
    world.time.sleep(1800)
    waiting = world.run(overlap=HOUR)
    assert (waiting.decision.action, waiting.changed) == (Action.WAIT, False)
    world.time.sleep(1800)
    assert world.run(overlap=HOUR).phase is Phase.REVOKED
    assert world.is_sound()


def test_nothing_is_revoked_while_the_application_is_not_well(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(overlap=HOUR)
    world.time.sleep(3600)
    world.app.sick_with = {world.shelf.current()}
    with pytest.raises(OpsError, match="0 of 1 checks healthy"):
        world.run(overlap=HOUR)
    assert "old" in world.door.accepted


def test_forced_rotation_ends_the_overlap_before(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(overlap=HOUR)
    second = world.shelf.current()
    world.run(overlap=HOUR, force=True)
    assert world.door.accepted == [second, world.shelf.current()]


@pytest.mark.parametrize("overlaps", [True, False])
def test_application_that_is_sick_with_the_new_one_gets_the_old_one_back(tmp_path: Path, overlaps: bool) -> None:
    world = World(tmp_path, overlaps=overlaps)
    world.app.sick_of_new = True
    with pytest.raises(OpsError, match="0 of 1 checks healthy; it is well with the secret from before"):
        world.run(overlap=HOUR)
    assert world.shelf.current() == "old"
    assert world.app.holds == "old"
    assert world.is_sound()


@pytest.mark.parametrize("overlaps", [True, False])
def test_rolled_back_while_the_old_one_works(tmp_path: Path, overlaps: bool) -> None:
    world = World(tmp_path, overlaps=overlaps)
    world.run(overlap=HOUR)
    assert world.run(state="rolled_back", overlap=HOUR).changed
    assert (world.shelf.current(), world.is_sound()) == ("old", True)
    assert world.run(state="rolled_back", overlap=HOUR).changed is False


def test_nothing_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="no earlier version that still works"):
        World(tmp_path).run(state="rolled_back")


def test_a_refused_value_is_replaced(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.door.refuses = 4
    world.run()
    assert world.is_sound()


def test_too_many_refusals_leave_everything_as_it_was(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.door.refuses = 5
    with pytest.raises(OpsError, match=r"refused 5 generated secrets \(option policy\).*too simple"):
        world.run()
    assert (world.shelf.current(), world.is_sound()) == ("old", True)


@pytest.mark.parametrize("at_once", [True, False], ids=["current-at-once", "pending-only"])
def test_first_secret_that_was_refused_is_tried_again_by_the_next_run(tmp_path: Path, at_once: bool) -> None:
    world = World(tmp_path, empty=True)
    world.shelf.first_is_current = at_once
    world.door.refuses = 5
    with pytest.raises(OpsError, match="refused 5"):
        world.run()
    assert world.run().changed
    assert world.is_sound()


@pytest.mark.parametrize("overlaps", [True, False])
def test_set_but_useless_is_withdrawn(tmp_path: Path, overlaps: bool) -> None:
    world = World(tmp_path, overlaps=overlaps)
    world.door.never_works = True
    with pytest.raises(OpsError, match="did not work within 30 s"):
        world.run()
    assert (world.shelf.current(), world.is_sound()) == ("old", True)


def test_unreachable_target_changes_nothing_that_the_next_run_could_not_use(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.door.unreachable = True
    with pytest.raises(OpsError, match="the server is not there"):
        world.run()
    pending = world.shelf.labels["pending"]
    world.door.unreachable = False
    assert world.run().decision.action is Action.RESUME
    assert world.shelf.labels == {"current": pending}
    assert world.is_sound()


def test_second_rotator_takes_over_what_the_first_has_pending(tmp_path: Path) -> None:
    world = World(tmp_path)

    def other() -> None:
        world.shelf.values["theirs"] = (world.time.now(), Credential("theirs"))
        world.shelf.labels["pending"] = "theirs"

    world.shelf.before_put = other
    world.run()
    assert world.shelf.current() == "theirs"
    assert world.is_sound()


@pytest.mark.parametrize("labels", [("v0", None), ("v0", "v1"), ("v1", "v1"), (None, None)])
def test_rotation_that_a_rival_ended_since_the_decision_is_not_made_again(
    tmp_path: Path, labels: tuple[str | None, str | None]
) -> None:
    world = World(tmp_path)
    decided = Holdings(*(SecretVersion(label, START) if label else None for label in labels))
    world.rotation().prepare(decided)
    assert (world.fate.writes, world.shelf.labels) == (0, {"current": "v1"})


def test_verifiers_know_a_secret_before_it_signs(tmp_path: Path) -> None:
    world = World(tmp_path, announce_seconds=300.0)
    world.run()
    assert world.app.used == 2
    assert world.time.seconds >= 300


def test_announced_secret_that_makes_the_application_sick_is_given_up(tmp_path: Path) -> None:
    world = World(tmp_path, announce_seconds=0.0)
    world.app.sick_with = {"old"}
    with pytest.raises(OpsError):
        world.run()
    assert (world.shelf.current(), world.is_sound()) == ("old", True)


def writes_of(shape: dict[str, Any], directory: Path) -> int:
    world = World(directory, **shape)
    world.run()
    return world.fate.writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shape", SHAPES, ids=["overlap", "single", "announced", "first", "first-single"])
def test_killed_at_any_write_the_next_run_ends_it(tmp_path: Path, shape: dict[str, Any], after: bool) -> None:
    count = writes_of(shape, tmp_path / "whole")
    assert count >= 3
    for number in range(1, count + 1):
        world = World(tmp_path / str(number), **shape)
        world.fate.die_at, world.fate.after = number, after
        with pytest.raises(KilledError):
            world.run()
        made = world.door.made
        if world.overlaps and not world.empty:
            assert world.shelf.current() in world.door.accepted, number
        world.run()
        assert world.is_sound(), number
        assert world.door.made == (2 if (number, after) == (1, False) else made), number
        assert world.run().changed is False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("overlaps", [True, False])
def test_killed_on_the_way_back_the_next_run_ends_it(tmp_path: Path, overlaps: bool, after: bool) -> None:
    for number in range(1, 6):
        world = World(tmp_path / str(number), overlaps=overlaps)
        world.run(overlap=HOUR)
        world.fate.die_at, world.fate.after = world.fate.writes + number, after
        try:
            world.run(state="rolled_back", overlap=HOUR)
        except KilledError:
            world.run(state="rolled_back", overlap=HOUR)
        assert (world.shelf.current(), world.is_sound()) == ("old", True), number


def test_journal_that_was_lost_costs_a_repetition_and_no_secret(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(overlap=HOUR)
    (tmp_path / "db.jsonl").unlink()
    again = world.run(overlap=HOUR)
    assert again.decision.action is Action.APPLY
    assert world.door.accepted == ["old", world.shelf.current()]


def test_journal_holds_no_value(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run()
    text = (tmp_path / "db.jsonl").read_text(encoding="utf-8")
    assert "secret-" not in text
    assert '"phase": "revoked"' in text


def test_one_secret_that_fails_stops_no_other(tmp_path: Path) -> None:
    worlds = [World(tmp_path / str(number)) for number in range(3)]
    worlds[1].door.unreachable = True
    courses = [Course(world.rotation()) for world in worlds]
    Campaign(courses, worlds[0].app, worlds[0].time).run()
    assert [course.error is None for course in courses] == [True, False, True]
    assert worlds[0].is_sound()
    assert worlds[2].is_sound()


@pytest.mark.parametrize("place", ["inspect", "reveal", "put_pending", "promote", "restore", "drop_previous"])
def test_unknown_failure_of_a_store_says_nothing_of_its_text(tmp_path: Path, place: str) -> None:
    assert_silent(tmp_path, "shelf", place)


@pytest.mark.parametrize("place", ["propose", "works", "set", "revoke"])
def test_unknown_failure_of_a_target_says_nothing_of_its_text(tmp_path: Path, place: str) -> None:
    assert_silent(tmp_path, "door", place)


def assert_silent(directory: Path, part: str, place: str) -> None:
    """Break one call in the way that libraries do, with what it was given in the text."""
    world = World(directory)
    if place == "restore":
        world.app.sick_of_new = True

    def broken(*arguments: object) -> None:
        raise ValueError(f"CANARY of {arguments}")

    setattr(getattr(world, part), place, broken)
    with pytest.raises(OpsError, match="unexpected ValueError") as failure:
        world.run()
    assert "CANARY" not in f"{failure.value.message}{failure.value.facts}"
    assert "secret-" not in f"{failure.value.message}{failure.value.facts}"
