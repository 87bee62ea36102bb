"""iisnode with what people run: Express as its generator makes it, deployed with Kudu's web.config,
and socket.io over long polling and WebSockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from websockets.sync.client import connect

from fcgiemu.init.node_site import web_config

from ..node import ALL, needs_node, node_config, with_packages
from ..sites import write
from .server import LiveServer

pytestmark = needs_node
Serve = Callable[..., LiveServer]

APP = """
const express = require('express');
const app = express();
app.use(express.json());
app.get('/', (request, response) => response.send('home'));
app.get('/users/:id', (request, response) => {
    response.json({ id: request.params.id, query: request.query, url: request.originalUrl });
});
app.post('/users', (request, response) => response.status(201).json(request.body));
app.get('/old', (request, response) => response.redirect('/users/1'));
app.get('/fails', () => { throw new Error('of the application'); });
app.get('/download', (request, response) => response.sendFile(__dirname + '/big.bin'));
module.exports = app;
"""
WWW = """
const app = require('../app'), http = require('http');
const port = normalizePort(process.env.PORT || '3000');
app.set('port', port);
const server = http.createServer(app);
server.listen(port);
server.on('listening', () => {
    const address = server.address();
    console.log('Listening on ' + (typeof address === 'string' ? 'pipe ' + address : address.port));
});
function normalizePort(text) {
    const port = parseInt(text, 10);
    return isNaN(port) ? text : port >= 0 ? port : false;
}
"""
CHAT = """
const app = require('express')(), server = require('http').createServer(app);
const io = require('socket.io')(server);
io.on('connection', (socket) => {
    socket.on('say', (text) => io.emit('said', text.toUpperCase()));
});
server.listen(process.env.PORT);
"""


def test_express_with_the_web_config_of_kudu(tmp_path: Path, serve: Serve) -> None:
    files: dict[str, str | bytes] = {
        "app.js": APP,
        "bin/www": WWW,
        "big.bin": b"x" * 3_000_000,
        "public/css/site.css": "body {}",
        "public/index.html": "not this one",
        "package.json": '{"scripts": {"start": "node ./bin/www"}}',
        "web.config": web_config("bin/www"),
    }
    server = serve(with_packages(write(tmp_path, files), "express"))
    home = server.get("/")
    assert (home.status, home.text) == (200, "home")
    server.wait_for(r"Listening on pipe /")
    assert server.get("/css/site.css?v=1").text == "body {}"
    user = json.loads(server.get("/users/a%20b?x=1&y=%2F").text)
    assert user == {"id": "a b", "query": {"x": "1", "y": "/"}, "url": "/users/a%20b?x=1&y=%2F"}
    sent = {"Content-Type": "application/json"}
    made = server.request("POST", "/users", b'{"name": "x"}', sent)
    assert (made.status, json.loads(made.text)) == (201, {"name": "x"})
    moved = server.get("/old")
    assert (moved.status, moved.headers["location"]) == (302, "/users/1")
    failed = server.get("http://www.example.org/fails")
    assert failed.status == 500 and "Error: of the application" in failed.text
    missing = server.get("http://www.example.org/missing")
    assert missing.status == 404 and "Cannot GET /missing" in missing.text
    assert len(server.get("/download").text) == 3_000_000
    assert home.headers["server"] == "Microsoft-IIS/10.0"


def test_socket_io(tmp_path: Path, serve: Serve) -> None:
    config = node_config('nodeProcessCountPerApplication="1"', ALL)
    files = {"server.js": CHAT, "web.config": config}
    server = serve(with_packages(write(tmp_path, files), "express", "socket.io"))
    asked = "/socket.io/?EIO=4&transport=polling"
    opened = json.loads(server.get(asked).text[1:])
    assert opened["upgrades"] == ["websocket"]
    session = f"{asked}&sid={opened['sid']}"
    assert server.request("POST", session, b"40").text == "ok"
    assert server.get(session).text.startswith("40{")
    where = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket"
    with connect(where) as client:
        assert str(client.recv(timeout=30)).startswith("0{")
        client.send("40")
        assert str(client.recv(timeout=30)).startswith("40{")
        client.send('42["say","hello"]')
        assert client.recv(timeout=30) == '42["said","HELLO"]'
    assert server.get(session).text == '42["said","HELLO"]'


def test_ws(tmp_path: Path, serve: Serve) -> None:
    script = """
    const server = require('http').createServer();
    const sockets = new (require('ws').WebSocketServer)({ server: server });
    sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => {
        socket.send(data, { binary: isBinary });
    }));
    server.listen(process.env.PORT);
    """
    files = {"server.js": script, "web.config": node_config("", ALL)}
    server = serve(with_packages(write(tmp_path, files), "ws"))
    with connect(f"ws://127.0.0.1:{server.port}/x", max_size=None) as client:
        for message in ("text", b"\x00" * 10, "y" * 2_000_000):
            client.send(message)
            assert client.recv(timeout=60) == message
