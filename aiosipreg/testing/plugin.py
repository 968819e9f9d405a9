"""The pytest plugin (entry point ``aiosipreg``)."""
