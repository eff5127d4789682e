"""What parses, fed with whatever comes: coverage-guided (atheris), and at a running system.

.venv/bin/python -m tests.fuzz                            # 10 s at each parser
.venv/bin/python -m tests.fuzz --inputs 100000 messages   # so many inputs at one of them
make fuzz                                                 # all of it, and the running system
"""
