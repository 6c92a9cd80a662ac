"""Everything that crosses a socket to an engine: the client, server-sent events, error shapes."""
