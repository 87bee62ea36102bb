"""A WSGI application that a server of its own serves, behind HttpPlatformHandler."""

from flask import Flask, request

app = Flask(__name__, static_folder=None)


@app.get("/")
@app.get("/<path:path>")
def page(path=""):
    return f"Hello from waitress behind IIS, at /{path}; asked by {request.remote_addr}\n", {
        "Content-Type": "text/plain; charset=utf-8"
    }
