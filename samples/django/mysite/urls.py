"""URLs and the two views behind them."""

from django.contrib import admin
from django.http import HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import path
from django.utils.html import format_html


def index(request):
    return HttpResponse(
        format_html(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Django</title>'
            '<link rel="stylesheet" href="{}"><h1>Django behind IIS</h1><p>Query: {}</p></html>',
            static("site.css"),
            request.GET.urlencode(),
        )
    )


def about(request):
    return JsonResponse({"path": request.path, "script_name": request.META["SCRIPT_NAME"]})


urlpatterns = [path("", index), path("about/", about), path("admin/", admin.site.urls)]
