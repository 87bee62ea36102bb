"""Azure App Service on Windows: deployment as Kudu does it. What a worker finds there is in
``app_service``.
"""
