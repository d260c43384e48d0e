# The commands of this project. `make run` and `make test` do all their set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many container images set it; each of the hundreds of commands that the tests start would then compile all the code again.
export PYTHONDONTWRITEBYTECODE :=
# What compiles runs in an environment that pip makes for it, to which the option of a command does not reach.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
PIP := $(PINNED) $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint docs bench peers instructions faults fuzz fuzz-formats console screenshots clean help

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

run: $(VENV)/.run ## set up, then run broker, collector and a simulated fleet; Ctrl-C stops them all
	@$(BIN)/ueip up --demo

# Folder by folder: what waits for brokers and databases before what only computes, so that nothing long is left to the end.
test: $(VENV)/.test ## set up, then run all tests, JOBS=n at a time
	@$(BIN)/python -c 'from collector.broker import ensure_mosquitto; ensure_mosquitto(print)'
	@$(BIN)/pytest --numprocesses $${JOBS:-4} --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test ## check style and types, and that generated files are up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m collector.reference --check

docs: $(VENV)/.run ## regenerate what is made from the code
	@$(BIN)/python -m collector.reference

bench: $(VENV)/.test ## measure speed on this machine, beside a C subscriber that does nothing; options: WORDS="--quick", WORDS="--help"
	@$(BIN)/python bench/table.py $(WORDS)

peers: $(VENV)/.test ## compare with what people would use instead: speed, and what is lost under kill -9
	@$(BIN)/python bench/peers.py $(WORDS)

instructions: $(VENV)/.test ## see whether a step of the message path costs more than before; counted by valgrind in a minute and a half
	@$(BIN)/python bench/instructions.py

faults: $(VENV)/.test ## run 200 rounds of random faults, with a summary; ROUNDS=n, SEED=n (of the first round)
	@$(BIN)/python tests/faults/run.py --rounds $${ROUNDS:-200} --seed $${SEED:-1}

fuzz: $(VENV)/.test ## try a million inputs on everything that reads what strangers write; INPUTS=n, SEED=n
	@$(BIN)/python tests/fuzz/run.py --inputs $${INPUTS:-1000000} $${SEED:+--seed $$SEED}

fuzz-formats: $(VENV)/.test ## try a million inputs on each format of other makers; INPUTS=n, SEED=n
	@$(BIN)/python tests/fuzz/run.py --each --inputs $${INPUTS:-1000000} $${SEED:+--seed $$SEED} \
		--target bulk_data --target usp --target netjson --target goform --target ubus --target collectd

console: $(VENV)/.run ## install what the console needs, then start it on the demo's stores
	@$(PIP) --editable '.[console]'
	@$(BIN)/ueip console

screenshots: $(VENV)/.test ## take the pictures of the console in docs/images with the system's Chromium
	@$(BIN)/python tests/browser/screenshots.py

clean: ## delete the set-up and the demo's data
	rm -rf $(VENV) .ueip .bench dist build collector/native/*.so collector/native/*.sha256

# The target is pip, which comes last, not the interpreter, so that a set-up that was killed starts again.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: $(VENV)/bin/pip pyproject.toml constraints.txt $(wildcard collector/native/*.p[yx]*)
	@echo "setting up $(VENV) ..."
	@$(PIP) --editable . || { echo "The packages could not be installed. Check the network, or set a package index for pip."; exit 1; }
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "setting up $(VENV) for tests ..."
	@$(PIP) --editable '.[test]' || { echo "The packages could not be installed. Check the network, or set a package index for pip."; exit 1; }
	@touch $@
