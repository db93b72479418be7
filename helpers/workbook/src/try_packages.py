"""Imports each package that the arguments name, and prints what is wrong with it, a line each.

An installation that went elsewhere, or that does not work on this machine, must not count as done.
"""

import importlib
import importlib.metadata as metadata
import os
import sys

inside = os.path.realpath(sys.prefix) + os.sep
modules = {}
for module, names in metadata.packages_distributions().items():
    for name in names:
        modules.setdefault(name.lower().replace('_', '-'), []).append(module)
for name in sys.argv[1:]:
    try:
        place = os.path.realpath(metadata.distribution(name).locate_file(''))
        if not (place + os.sep).startswith(inside):
            raise ImportError('it is in ' + place)
        files = [str(file) for file in metadata.files(name) or ()]
        if any('/labextensions/' in file for file in files) and not any(
            '/jupyter_server_config.d/' in file for file in files
        ):
            # For JupyterLab alone, which reads this file; its module may not even be importable.
            part = next(file for file in files if file.endswith('/package.json'))
            metadata.distribution(name).locate_file(part).read_bytes()
            continue
        its = modules.get(name.lower().replace('_', '-'), [])
        # What stands beside the module of the package's own name may need more packages, as DuckDB's
        # driver for ADBC does.
        own = [module for module in its if module.lower() == name.lower().replace('-', '_')]
        for module in own or its:
            if module.isidentifier() and not module.startswith('_'):
                importlib.import_module(module)
    except Exception as error:
        print(f'{name}: {type(error).__name__}: {error}')
