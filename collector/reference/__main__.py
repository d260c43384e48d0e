"""`python -m collector.reference`: writes what is generated from the code, or says what is stale."""

from pathlib import Path

import click

from collector.errors import DataFault
from collector.reference.artefacts import ROOT, artefacts, stale, write


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 and name the files that are stale.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False, exists=True), default=ROOT, help="Checkout.")
def main(*, check: bool, root: Path) -> None:
    """Write the JSON Schemas, the reference pages and the example configuration anew."""
    try:
        made = artefacts(root)
    except DataFault as fault:
        raise click.ClickException(str(fault)) from None
    if not check:
        for path in write(made, root):
            click.echo(f"written: {path}")
        return
    found = stale(made, root)
    for path in found:
        click.echo(f"stale: {path}. Run: make docs", err=True)
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
