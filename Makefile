# keelson.ops: `make` lists the targets. Everything they install goes into .cache/, apart from Debian packages.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .cache/venv/bin/python
SUITE := $(PYTHON) -m tests.tools.suite
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help setup lab lab-down lab-status lab-shell lab-purge lint test test-unit test-sanity test-integration \
  test-molecule test-e2e docs build bench bench-machine

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing on this machine (Docker Engine, mmdebstrap, .cache/venv)
	@lab/bootstrap.sh

lab: setup ## start the lab and bring it to its described state with site.yml (LAB_HOSTS=edge1,app1 for fewer hosts)
	@$(PYTHON) -m lab up

lab-down: setup ## remove the lab's hosts, services, volumes and network; images stay cached
	@$(PYTHON) -m lab down

lab-status: setup ## what runs in the lab and where it is reachable
	@$(PYTHON) -m lab status

lab-shell: setup ## log in to a host of the lab (HOST=app1)
	@$(PYTHON) -m lab shell "$(HOST)"

lab-purge: setup ## remove the lab with its images and caches
	@$(PYTHON) -m lab purge

lint: setup ## static checks: ansible-lint, yamllint, ruff, mypy --strict, generated tables, changelog
	@$(PYTHON) -m tests.tools.lint

test: setup ## every layer below, cheap ones first, with one total at the end
	@$(SUITE)

test-unit: setup ## pure code, in seconds
	@$(PYTHON) -m pytest -q tests/unit

test-sanity: setup ## ansible-test sanity on a copy of the collection
	@$(PYTHON) -m tests.tools.sanity

test-integration: setup ## each module against the real servers
	@$(SUITE) integration

test-molecule: setup ## each role on fresh systemd hosts (SCENARIO=caddy for one, KEEP=1 leaves its hosts, UBUNTU=1 on Ubuntu)
	@$(PYTHON) -m lab images
	@$(PYTHON) -m tests.tools.molecule_scenarios $(if $(KEEP),--keep) $(if $(UBUNTU),--ubuntu) $(SCENARIO)

test-e2e: setup ## the whole lab: site.yml twice, faults, restore
	@$(SUITE) e2e

docs: setup ## write the option tables of the READMEs from the argument specs
	@$(PYTHON) -m tests.tools.role_docs

build: setup ## build the collection's artifact into .cache/artifact
	@.cache/venv/bin/ansible-galaxy collection build --force --output-path .cache/artifact

bench: setup ## measure, each figure with this machine and date (BENCH=config_files for one)
	@for found in $(if $(BENCH),tests/bench/$(BENCH)*,tests/bench/*); do \
	  name=$$(basename "$$found" .py); case $$name in __*) continue;; esac; \
	  printf '\n=== %s\n' "$$name"; $(PYTHON) -m "tests.bench.$$name"; \
	done

bench-machine: setup ## what the judges say of a virtual machine, hardened (RELEASE=bookworm); hours without KVM
	@lab/bootstrap.sh machine
	@$(PYTHON) -m tests.bench.hardening --machine --release $(or $(RELEASE),trixie)
