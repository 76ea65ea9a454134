"""``python -m signalbox.cli`` is ``signalbox``."""

from signalbox.cli.main import main

main(prog_name="signalbox")
