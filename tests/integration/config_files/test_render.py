# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates come out byte for byte as ansible.builtin.template writes them."""

from __future__ import annotations

import json
import subprocess

from tests.integration.config_files.conftest import ACCOUNT, TOOLS, Project, environment

TEMPLATES = {
    "plain.j2": "a {{ word }} b\n",
    "no-newline.j2": "{{ word }}",
    "many-newlines.j2": "{{ word }}\n\n\n",
    "empty.j2": "{% if false %}x{% endif %}",
    "blocks.j2": "{% for x in [1, 2] %}\n  {% if x == 1 %}\n  one\n  {% endif %}\n{{ x }}\n{% endfor %}\nend\n",
    "crlf.j2": "one\r\ntwo {{ word }}\r\n",
    "unicode.j2": "gr\u00fc\u00dfe {{ word }} \u2713\n",
    "include.j2": "{% include 'parts/part.j2' %}\n{% include 'many-newlines.j2' %}after\n",
    "extends.j2": "{% extends 'base.j2' %}{% block body %}mine {{ super() }}{% endblock %}\n",
    "import.j2": "{% from 'macros.j2' import hello with context %}{{ hello('x') }}\n",
    "managed.j2": "{{ ansible_managed | comment }}\n{{ template_host }} {{ template_uid }} {{ template_path }}\n"
    "{{ template_mtime }} {{ template_fullpath | basename }}\n",
    "structure.j2": "{{ {'b': 1, 'a': [true, none]} | to_nice_json }}\n{{ {'b': 1} | to_nice_yaml }}",
    "literal.j2": "{{ {'a': 1} }}",
    "raw.j2": "{% raw %}{{ kept }}{% endraw %}\n{{ braces }}\n",
    "lookup.j2": "{{ lookup('ansible.builtin.file', 'looked-up') }} {{ item_of | default('none') }}\n",
    "backslash.j2": "a\\nb {{ 'c\\\\d' }} \\1\n",
    "facts.j2": "{{ inventory_hostname }} {{ groups['all'] | length }} {{ role_name }} {{ role_path | basename }}\n",
    "chain.j2": "{{ chained }}\n",
}
PARTS = {
    "parts/part.j2": "part {{ word }}\n",
    "base.j2": "base\n{% block body %}default{% endblock %}\nend\n",
    "macros.j2": "{% macro hello(name) %}hello {{ name }} {{ word }}{% endmacro %}\n",
}
VARIABLES = """
word: word
braces: "{{ '{{' }} x {{ '}}' }}"
chained: "{{ word }} {{ word | upper }}"
"""


def write_role(project: Project, tasks: str) -> None:
    for name, text in {**TEMPLATES, **PARTS}.items():
        project.write(f"roles/app/templates/{name}", text)
    project.write("roles/app/files/looked-up", "looked up")
    project.write("roles/app/defaults/main.yml", VARIABLES)
    project.write("roles/app/tasks/main.yml", tasks)
    project.write("site.yml", "- {hosts: all, gather_facts: false, roles: [app]}\n")


def test_same_bytes_as_the_template_module(project: Project) -> None:
    etc = project.etc
    (etc / "ours").mkdir()
    (etc / "theirs").mkdir()
    entries = json.dumps([{"dest": f"{etc}/ours/{name}", "template": name, **ACCOUNT} for name in TEMPLATES])
    write_role(
        project,
        f"- keelson.ops.config_files: {{files: {entries}}}\n"
        f"- ansible.builtin.template: {{src: '{{{{ item }}}}', dest: '{etc}/theirs/{{{{ item }}}}'}}\n"
        f"  loop: {list(TEMPLATES)}\n",
    )
    outcome = project.play()
    assert outcome.rc == 0, outcome.text
    for name in TEMPLATES:
        assert (etc / "ours" / name).read_bytes() == (etc / "theirs" / name).read_bytes(), name
    assert (etc / "ours" / "facts.j2").read_text() == "localhost 1 app app\n"


def test_variables_of_one_file_go_before_all_others_and_stay_its_own(project: Project) -> None:
    project.write("templates/a.j2", "{{ word }} {{ template_destpath | basename }} {{ nested.x }}\n")
    play_vars = {"word": "play", "nested": {"x": "{{ word }}"}}
    task = {
        "keelson.ops.config_files": {
            "files": [
                {"dest": f"{project.etc}/{{{{ item }}}}-one", "template": "a.j2", **ACCOUNT, "vars": {"word": "own"}},
                {"dest": f"{project.etc}/{{{{ item }}}}-two", "template": "a.j2", **ACCOUNT},
            ]
        },
        "loop": ["x", "y"],
    }
    project.plays({"tasks": [task], "vars": play_vars})
    outcome = project.play()
    assert outcome.rc == 0, outcome.text
    assert (project.etc / "x-one").read_text() == "own x-one own\n"
    assert (project.etc / "y-two").read_text() == "play y-two play\n"


def test_text_of_a_variable_is_not_rendered_again(project: Project) -> None:
    project.write("templates/a.j2", "{{ given }}\n")
    project.write("files/injected", "{{ lookup('pipe', 'touch " + str(project.path / "owned") + "') }}")
    given = {"given": "{{ lookup('ansible.builtin.file', 'injected') }}"}
    (result,) = project.apply([{"dest": f"{project.etc}/a", "template": "a.j2", "vars": given}])
    assert result["changed"]
    assert (project.etc / "a").read_text().startswith("{{ lookup(")
    assert not (project.path / "owned").exists()


def test_vaulted_sources_are_decrypted(project: Project) -> None:
    password = project.write("password", "vault password\n")
    project.write("templates/key.j2", "template {{ word }}\n")
    project.write("files/key", "file\n")
    command = [str(TOOLS / "ansible-vault"), "encrypt", "--vault-password-file", str(password)]
    names = [str(project.path / name) for name in ("templates/key.j2", "files/key")]
    subprocess.run([*command, *names], check=True, capture_output=True, env=environment(), timeout=60)
    files = [
        {"dest": f"{project.etc}/template", "template": "key.j2", "vars": {"word": "word"}},
        {"dest": f"{project.etc}/file", "src": "key"},
    ]
    project.apply(files, arguments=("--vault-password-file", str(password)))
    assert (project.etc / "template").read_text() == "template word\n"
    assert (project.etc / "file").read_text() == "file\n"


def test_a_broken_template_is_named_with_its_dest(project: Project) -> None:
    project.write("templates/broken.j2", "{{ nowhere_defined }}\n")
    (result,) = project.apply([{"dest": f"{project.etc}/a", "template": "broken.j2"}])
    assert result["msg"].startswith(f"{project.etc}/a: option template: ")
    assert "'nowhere_defined' is undefined" in result["msg"]
