"""An alert comes in; the risk goes out of the market; nobody can deny it later.

Read ``service.py`` first: it is the whole line, top to bottom.  The rooms ``access``, ``intake``, ``policy``,
``killswitch`` and ``audit`` decide and touch nothing; ``actions`` and ``notify`` act and tell, over ports; ``venues``,
``engines``, ``notifiers``, ``storage`` and ``web`` are the edges; ``bootstrap.py`` is the one place that joins them.
"""
