<?php
// The front controller: every URL that is not a file comes here, with its path unchanged.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$pages = ['/' => 'Home', '/about' => 'About'];
if (!isset($pages[$path])) {
    http_response_code(404);
}
$title = $pages[$path] ?? 'No such page';
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title><?= $title ?></title>
<link rel="stylesheet" href="/static/site.css">
<h1><?= $title ?></h1>
<p>PHP <?= PHP_MAJOR_VERSION ?> was asked for <?= htmlspecialchars($path) ?>.</p>
</html>
