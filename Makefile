# Every target does its own set-up: it needs Python 3.10 or later with pip, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: test lint demo screenshots soak bench clean

test: $(READY)  ## all tests but the long ones
	$(BIN)/python -m pytest -m "not soak" --numprocesses 2 --dist loadfile

lint: $(READY)  ## style and types
	$(BIN)/ruff check vision_event_block tests examples docs benchmarks
	$(BIN)/ruff format --check vision_event_block tests examples docs benchmarks
	$(BIN)/mypy

demo: $(READY)  ## records a Vision Event from a real photograph, and shows it
	@$(BIN)/vision-events demo

screenshots: $(READY)  ## the pictures of the page, made anew
	$(BIN)/python docs/screenshots.py

soak: $(READY)  ## the fault tests over many rounds, and the table of docs/reliability.md made anew
	rm -f .ledger
	$(BIN)/python -m pytest -m "soak or not soak" --numprocesses 2 --ledger .ledger \
	  tests/faults tests/store/test_model.py tests/engine/test_pipeline.py tests/server
	$(BIN)/python -m tests.faults.report .ledger docs/reliability.md

bench: $(READY)  ## our step beside the stock block, and the table of docs/benchmarks.md made anew
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	@# OpenCV's wheel needs two libraries that a bare Debian image lacks.
	$(BIN)/python -c "import cv2" 2>/dev/null || (apt-get update -q && apt-get install -qy libgl1 libglib2.0-0)
	@# The page is tested in a real browser; without one, those tests are skipped.
	command -v chromium >/dev/null || (apt-get update -q && apt-get install -qy chromium) \
	  || echo "Chromium could not be installed: the tests of the page will be skipped."
	@# Power cuts are played from a journal that a little C writes.
	command -v cc >/dev/null || (apt-get update -q && apt-get install -qy gcc libc6-dev)
	touch $(READY)
