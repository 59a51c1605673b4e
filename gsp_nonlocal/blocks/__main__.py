"""``python -m gsp_nonlocal.blocks``: the unified table of the named blocks, as Markdown."""

from gsp_nonlocal.blocks import describe_all, registry

print(describe_all({name: registry.get(name)(64) for name in registry.names()}))
