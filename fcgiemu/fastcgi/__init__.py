"""IIS's FastCGI module: the protocol, what IIS sends, and the processes it keeps."""
