"""The API behind the page: python server/api.py [PORT]; by default the port of web.config."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"text": f"The API was asked for {self.path}."}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 5001
    with ThreadingHTTPServer(("127.0.0.1", port), Api) as server:
        print(f"The API listens on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
