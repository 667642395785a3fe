"""Tools that write behaviour events: synthetic streams and replays of recorded ones."""
