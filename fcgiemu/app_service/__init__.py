"""The platform around a site on Azure App Service: its folders, its environment, its front end."""
