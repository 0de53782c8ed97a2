"""The command line: arguments, exit codes and progress in ``app``, what the commands do in ``commands`` and ``run``."""
