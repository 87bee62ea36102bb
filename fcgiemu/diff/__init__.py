"""Two versions of a site asked the same: which URLs change destination."""
