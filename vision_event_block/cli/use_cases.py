"""`vision-events use-cases`: what events are grouped by, at their destination."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from vision_event_block.cli import destination, terminal
from vision_event_block.cli.options import AsJson
from vision_event_block.client import UseCase
from vision_event_block.settings import Settings

app = typer.Typer(help="List and change the use cases at the destination.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the use case, as `list` shows it.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, for people.")]


def _book() -> destination.UseCaseBook:
    return destination.use_cases(Settings())


@app.command("list")
def list_use_cases(
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the use cases.

    \b
    vision-events use-cases list
    vision-events use-cases list --archived --json
    """
    status: Literal["active", "inactive"] = "inactive" if archived else "active"
    found = _book().list_use_cases(status)
    if as_json:
        terminal.say_json([case.model_dump(mode="json", exclude_none=True) for case in found])
    elif found:
        terminal.table(
            ["ID", "NAME", "STATUS"], [(case.id, case.name or "", case.status or "") for case in found]
        )
    else:
        terminal.complain("There is no such use case.")


@app.command()
def create(name: Name) -> None:
    """Create a use case and print its id."""
    terminal.say(_book().create_use_case(_checked(name)).id)


@app.command()
def rename(use_case_id: Id, name: Name) -> None:
    """Give a use case another name; its id stays."""
    _tell(_book().rename_use_case(use_case_id, _checked(name)))


@app.command()
def archive(use_case_id: Id) -> None:
    """Hide a use case; its events stay."""
    _book().archive_use_case(use_case_id)
    terminal.say(f"{use_case_id} is archived.")


@app.command()
def unarchive(use_case_id: Id) -> None:
    """Bring an archived use case back."""
    _book().unarchive_use_case(use_case_id)
    terminal.say(f"{use_case_id} is active.")


def _checked(name: str) -> str:
    if not 1 <= len(name.strip()) <= 256:
        raise typer.BadParameter(f"the name has {len(name.strip())} characters: give 1 to 256.")
    return name.strip()


def _tell(case: UseCase) -> None:
    terminal.say(f"{case.id} is called {case.name}.")
