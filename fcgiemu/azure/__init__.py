"""Azure App Service on Windows: deployment as Kudu does it, and the surroundings of a worker
there.
"""
