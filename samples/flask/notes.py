"""A Flask site: a list of notes, kept in memory."""

from flask import Flask, redirect, render_template, request, url_for

app = Flask(__name__)
notes = ["IIS hands over what is not under /static"]


@app.get("/")
def index():
    return render_template("index.html", notes=notes)


@app.post("/notes")
def add():
    notes.append(request.form["text"][:200])
    return redirect(url_for("index"))
