"""What HttpPlatformHandler starts: an HTTP server on the port that IIS has chosen."""

import os

from app import app
from waitress import serve

if __name__ == "__main__":
    serve(
        app,
        host="127.0.0.1",
        port=int(os.environ["HTTP_PLATFORM_PORT"]),
        threads=8,
        # IIS is the proxy: REMOTE_ADDR and wsgi.url_scheme are the client's, as it hands them over.
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
