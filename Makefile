# Every target does its own set-up: it needs Python 3.10 or later with pip, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: test lint demo soak clean

test: $(READY)  ## all tests but the long ones
	$(BIN)/python -m pytest -m "not soak"

lint: $(READY)  ## style and types
	$(BIN)/ruff check vision_event_block tests workflow_examples
	$(BIN)/ruff format --check vision_event_block tests workflow_examples
	$(BIN)/mypy

demo: $(READY)  ## records a Vision Event from a real photograph, and shows it
	@$(BIN)/python workflow_examples/demo.py

soak: $(READY)  ## the fault tests over many rounds
	$(BIN)/python -m pytest -m soak

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	@# OpenCV's wheel needs two libraries that a bare Debian image lacks.
	$(BIN)/python -c "import cv2" 2>/dev/null || (apt-get update -q && apt-get install -qy libgl1 libglib2.0-0)
	touch $(READY)
