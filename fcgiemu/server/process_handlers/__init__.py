"""The modules that pass requests to processes of their own: httpPlatformHandler, iisnode and
AspNetCoreModule, with what supervises these processes.
"""
