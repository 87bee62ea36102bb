"""A Bottle site: one page that says what it was asked for."""

from bottle import Bottle, request, template

application = Bottle()


@application.route("/")
@application.route("/<name:path>")
def page(name="world"):
    return template(
        """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Bottle</title>
<link rel="stylesheet" href="/static/site.css">
<h1>Hello, {{name}}</h1>
<p>You asked for {{path}}.</p>
</html>""",
        name=name,
        path=request.path,
    )
