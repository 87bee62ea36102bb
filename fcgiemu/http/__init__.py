"""Request and response values, and URLs as http.sys canonicalises them."""
