"""One reader for each kind of document. They stand on heavy libraries: only the child process imports them."""
