"""What the files of the embedded store are called, in its folder."""

SOCKET, LOCK, GATE, LOG = "owner.sock", "owner.lock", "owner.start", "owner.log"
READY, HELD = "ready", "held"  # what an owner says of its start: it listens, or another one has the folder
POINTS = "points"  # the folder of the shards
MOST_OPEN = 64  # shards; each costs a thread, a file and about a megabyte
