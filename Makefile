# Every target makes its own environment: Python >= 3.11, make and a package registry are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := data,train,web,graph,eval,api,dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -c requirements.lock

.PHONY: help quickstart test check test-slow test-web test-external bench lock clean

help:                ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(VENV)/ready: pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Chiasm needs Python 3.11 or newer, this is " + sys.version if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[$(EXTRAS)]"
	touch $@

quickstart: $(VENV)/ready ## grow eyes, ask, train a tiny model, evaluate it, answer about an image (under 15 minutes)
	$(BIN)/python examples/quickstart.py --out out/quickstart

test: check ## style, types and the default tests (under 12 minutes)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

check: $(VENV)/ready ## style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-slow: $(VENV)/ready ## statistical, fault and cluster tests (about an hour)
	$(PIP) -e ".[$(EXTRAS),dist,seg]"
	$(BIN)/python -m pytest -q -m slow

test-web: $(VENV)/ready ## pages in headless Chromium (Debian: apt-get install chromium)
	$(BIN)/python -m pytest -q -m web

test-external: $(VENV)/ready .venv-llamafactory/ready .venv-lmms/ready ## other projects' tools, each in an environment of its own
	CHIASM_LMMS_PYTHON=$(CURDIR)/.venv-lmms/bin/python CHIASM_LLAMAFACTORY_PYTHON=$(CURDIR)/.venv-llamafactory/bin/python $(BIN)/python -m pytest -q -m external

# lmms-eval 0.7.3 asks for a torchvision that a CPU torch from another index breaks, and runs without; its filelock is older.
.venv-lmms/ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv-lmms
	.venv-lmms/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt lmms-eval "filelock<4" -e .
	.venv-lmms/bin/python -m pip uninstall --quiet --yes torchvision
	touch $@

# Where torch is a CPU build, torchvision and the compiled part of torchaudio, which the registry has for CUDA only, cannot be
# loaded; LLaMA-Factory's reader of data needs neither.
.venv-llamafactory/ready: constraints.txt
	$(PYTHON) -m venv .venv-llamafactory
	.venv-llamafactory/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch llamafactory
	if .venv-llamafactory/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda is not None)'; then \
		.venv-llamafactory/bin/python -m pip uninstall --quiet --yes torchvision; \
		rm -f .venv-llamafactory/lib/python3.*/site-packages/torchaudio/lib/*.so; \
	fi
	touch $@

bench: $(VENV)/ready ## CPU seconds of every stage, as in docs/performance.md
	$(BIN)/python benchmarks/run.py

lock: $(VENV)/ready ## renew requirements.lock (torch stays out: constraints.txt pins it for every platform)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras -c constraints.txt --universal --python-version 3.11 \
		--no-emit-package torch --no-emit-find-links --no-annotate --no-header -o requirements.lock
	sed -i -E '/^(nvidia|cuda|triton)/d' requirements.lock # torch pins these itself, and only where it has a CUDA build

clean: ## remove the environment and caches, not your data
	rm -rf $(VENV) .venv-llamafactory .mypy_cache .ruff_cache .pytest_cache .hypothesis
