// A site of Node behind iisnode. On a server PORT is the name of a pipe: listen takes it as it is.
const http = require('http');

const page = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Node behind IIS</title><link rel="stylesheet" href="/static/site.css"></head>
<body><h1>Hello from Node</h1><p>This page comes from server.js, its style sheet from IIS.</p></body>
</html>
`;

const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/') {
        response.setHeader('Content-Type', 'text/html; charset=utf-8');
        response.end(page);
    } else if (url.pathname === '/api/asked') {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ url: request.url, greeting: process.env.GREETING }) + '\n');
    } else {
        response.statusCode = 404;
        response.end(`Node has nothing at ${url.pathname}\n`);
    }
});

server.listen(process.env.PORT || 3000, () => console.log('listening'));
