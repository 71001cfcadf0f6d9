"""Background removal over HTTP: `bgremoval serve`. Needs the extra `serve`.

A request is admitted, read, decoded, put through the network together with others, finished and
encoded (`engine`); what it asks for is read from its fields (`parameters`, `removebg`).
"""
