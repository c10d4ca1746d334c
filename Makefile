# `make lab` opens the course, `make teach` what an instructor needs, `make test` runs the suite. All of them set up what
# they need in .venv/ first.
#
#   PYTHON=python3.12 make lab     use this Python (3.11 to 3.13)
#   PORT=9000 make lab             use this port (default: the first free one from 8888)
#   HEADLESS=1 make lab            on a server: do not open a browser, print the address

.POSIX:
.PHONY: lab teach test test-all lock

VENV = .venv
UV = $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint requirements.lock
# What runs in the cage cannot write bytecode: it would be compiled each time that something is graded.
BYTECODE = $(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib course || true

lab: $(VENV)/.student
	@$(VENV)/bin/course lab $${PORT:+--port "$$PORT"} $${HEADLESS:+--headless}

teach: $(VENV)/.student
	@$(VENV)/bin/course teach $${PORT:+--port "$$PORT"} $${HEADLESS:+--headless}

test: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/course build --check
	$(VENV)/bin/course verify
	$(VENV)/bin/pytest -n 2 --dist loadfile $(TESTS)

# The tests that take minutes too: many kills, large classes.
test-all:
	$(MAKE) test TESTS='-m "slow or not slow"'

$(VENV)/.student: $(VENV)/bin/uv requirements.lock pyproject.toml
	@echo "Installing the course into $(VENV)/ (only the first time, or when it has changed) ..."
	@$(UV) --editable .
	@$(BYTECODE)
	@touch $@

$(VENV)/.test: $(VENV)/bin/uv requirements.lock pyproject.toml
	@echo "Installing the course and its test tools into $(VENV)/ ..."
	@$(UV) --editable '.[test]'
	@$(BYTECODE)
	@touch $@

# uv installs the packages in seconds where pip takes a minute.
$(VENV)/bin/uv:
	@for python in $$PYTHON python3 python3.13 python3.12 python3.11; do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "The course needs Python 3.11, 3.12 or 3.13, and none was found. Install one from https://www.python.org/downloads/"; \
	  echo "(Debian, Ubuntu: sudo apt install python3 python3-venv), or name yours: PYTHON=/path/to/python make lab"; exit 1; \
	fi; \
	if ! $$python -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "This Python has no venv module. Install it (Debian, Ubuntu: sudo apt install python3-venv), then run make again."; exit 1; \
	fi; \
	echo "Making the environment in $(VENV)/ with $$($$python --version) ..."; \
	$$python -m venv $(VENV)
	@grep -A 200 '^uv==' requirements.lock | awk 'NR == 1 || /^ /; NR > 1 && !/^ / {exit}' > $(VENV)/uv.lock.txt
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.lock.txt

# Choose all versions afresh. The lock holds names, versions and hashes, for every supported Python and system.
lock: $(VENV)/bin/uv
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra test \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock pyproject.toml
