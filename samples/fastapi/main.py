"""A FastAPI application as a WSGI one: a2wsgi stands between wfastcgi and ASGI."""

from a2wsgi import ASGIMiddleware
from fastapi import FastAPI

api = FastAPI(title="Items")
items = {1: "lamp", 2: "chair"}


@api.get("/")
def index():
    return {"items": len(items), "pages": ["/items/1", "/docs"]}


@api.get("/items/{number}")
def item(number: int):
    return {"number": number, "name": items.get(number)}


app = ASGIMiddleware(api)
