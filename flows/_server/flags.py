"""Flags with which a command makes nothing, known before anything is imported that reads flags."""

HELP, HELP_ALL = frozenset({"-h", "--help"}), frozenset({"--help-all", "--help_all"})
MAKES_NOTHING = HELP | HELP_ALL | {"--dry-run", "--dry_run"}
