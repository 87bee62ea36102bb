<#
.SYNOPSIS
    Collects what fcgiemu needs to see what IIS does with one site: configuration, names of files, failed-request
    traces, and answers to a list of URLs. Writes one zip.

.DESCRIPTION
    UNTESTED: this script has not been run on a server yet. Read it before you run it; it only reads, but for the
    zip and a temporary folder. See README.txt beside it.

    Secrets are masked unless -NoRedaction is given: passwords, keys, connection strings, cookies, authorization.

.EXAMPLE
    .\Collect-Site.ps1 -SiteName "Default Web Site" -Urls .\urls.txt -Output site.zip
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $SiteName,
    [string] $Urls,
    [string] $Output = "fcgiemu-capture.zip",
    [int] $MaxTraces = 50,
    [int] $MaxFiles = 20000,
    [switch] $NoRedaction
)

Set-StrictMode -Version 2
$ErrorActionPreference = "Stop"
Import-Module WebAdministration

$Mask = "********"
$SecretNames = "password|pwd|secret|token|apikey|accountkey|sharedaccesskey|connectionstring|machinekey|validationkey|decryptionkey"
$SecretHeaders = "cookie|authorization|token|api-?key|secret|password|clientcert"

function Hide-Secrets([string] $Text) {
    if ($NoRedaction) { return $Text }
    # attributes whose names speak of secrets, and values of <add> elements with such keys
    $Text = [regex]::Replace($Text, "(?i)(\b[\w]*(?:$SecretNames)[\w]*\s*=\s*)(`"[^`"]*`"|'[^']*')", "`$1`"$Mask`"")
    $Text = [regex]::Replace($Text, "(?i)(<add\s+(?:key|name)\s*=\s*`"[^`"]*(?:$SecretNames|key)[^`"]*`"\s+(?:value|connectionString)\s*=\s*)`"[^`"]*`"", "`$1`"$Mask`"")
    # secrets inside of connection strings
    return [regex]::Replace($Text, "(?i)((?:password|pwd|accountkey|sharedaccesskey)\s*=\s*)[^;`"']+", "`$1$Mask")
}

function Hide-Trace([string] $Text) {
    if ($NoRedaction) { return $Text }
    $Text = [regex]::Replace($Text, "(?im)^((?:[\w-]*(?:$SecretHeaders)[\w-]*):[ \t]*)[^\r\n<]+", "`$1$Mask")
    $Text = [regex]::Replace($Text, "(?i)(<Data Name=`"Headers`">(?:[\w-]*(?:$SecretHeaders)[\w-]*):[ \t]*)[^\r\n<]+", "`$1$Mask")
    return [regex]::Replace($Text, "(?is)(<Data Name=`"HeaderName`">[^<]*(?:$SecretHeaders)[^<]*</Data>\s*<Data Name=`"HeaderValue`">)[^<]+", "`$1$Mask")
}

function Write-Text([string] $Path, [string] $Text) {
    New-Item -ItemType Directory -Force -Path (Split-Path $Path) | Out-Null
    [IO.File]::WriteAllText($Path, $Text, (New-Object Text.UTF8Encoding $false))
}

$site = Get-Item "IIS:\Sites\$SiteName"
$root = [Environment]::ExpandEnvironmentVariables($site.physicalPath).TrimEnd("\")
$work = Join-Path ([IO.Path]::GetTempPath()) ("fcgiemu-" + [guid]::NewGuid())
New-Item -ItemType Directory -Path $work | Out-Null

try {
    # -- configuration -----------------------------------------------------------------------------------
    $host_config = Join-Path $env:windir "System32\inetsrv\config\applicationHost.config"
    [xml] $whole = Get-Content -Raw $host_config
    $part = New-Object xml
    $part.LoadXml("<configuration/>")
    foreach ($path in "configuration/system.webServer", "configuration/location") {
        foreach ($node in $whole.SelectNodes($path)) {
            $to = $node.GetAttribute("path")
            if ($to -and $to -ne $SiteName -and -not $to.StartsWith("$SiteName/")) { continue }
            [void] $part.DocumentElement.AppendChild($part.ImportNode($node, $true))
        }
    }
    $sites = $part.CreateElement("system.applicationHost")
    $list = $sites.AppendChild($part.CreateElement("sites"))
    foreach ($node in $whole.SelectNodes("configuration/system.applicationHost/sites/site")) {
        if ($node.name -eq $SiteName) { [void] $list.AppendChild($part.ImportNode($node, $true)) }
    }
    [void] $part.DocumentElement.AppendChild($sites)
    Write-Text (Join-Path $work "config\applicationHost.config") (Hide-Secrets $part.OuterXml)

    # -- files: names and sizes of all, the content of web.config only -----------------------------------
    $lines = New-Object Collections.Generic.List[string]
    foreach ($file in Get-ChildItem -Recurse -Force -LiteralPath $root -ErrorAction SilentlyContinue) {
        if ($lines.Count -ge $MaxFiles) { break }
        $relative = $file.FullName.Substring($root.Length + 1).Replace("\", "/")
        if ($file.PSIsContainer) { $lines.Add("$relative/`t0"); continue }
        $lines.Add("$relative`t$($file.Length)")
        if ($file.Name -eq "web.config") {
            Write-Text (Join-Path $work "site\$relative") (Hide-Secrets (Get-Content -Raw -LiteralPath $file.FullName))
        }
    }
    Write-Text (Join-Path $work "files.txt") ($lines -join "`n")

    # -- failed-request traces -----------------------------------------------------------------------------
    $logs = $site.traceFailedRequestsLogging.directory
    if ($logs) {
        $folder = Join-Path ([Environment]::ExpandEnvironmentVariables($logs)) "W3SVC$($site.id)"
        if (Test-Path $folder) {
            Get-ChildItem $folder -Filter "fr*.xml" | Sort-Object LastWriteTime -Descending |
                Select-Object -First $MaxTraces | ForEach-Object {
                    Write-Text (Join-Path $work "traces\$($_.Name)") (Hide-Trace ([IO.File]::ReadAllText($_.FullName)))
                }
        }
    }

    # -- answers: one request at a time, two a second ------------------------------------------------------
    $answers = @()
    if ($Urls) {
        foreach ($line in Get-Content $Urls) {
            $line = $line.Trim()
            if (-not $line -or $line.StartsWith("#")) { continue }
            $request = [Net.HttpWebRequest]::Create($line)
            $request.Method = "GET"
            $request.AllowAutoRedirect = $false
            $request.Timeout = 60000
            $request.UserAgent = "fcgiemu-capture"
            try { $response = $request.GetResponse() }
            catch [Net.WebException] { $response = $_.Exception.Response }
            if ($null -eq $response) { continue }
            $memory = New-Object IO.MemoryStream
            $response.GetResponseStream().CopyTo($memory)
            $bytes = $memory.ToArray()
            $hash = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($bytes)).Replace("-", "").ToLower()
            $headers = @()
            foreach ($name in $response.Headers.AllKeys) {
                foreach ($value in $response.Headers.GetValues($name)) {
                    if (-not $NoRedaction -and $name -match $SecretHeaders) { $value = $Mask }
                    $headers += , @($name, $value)
                }
            }
            $answers += @{
                request = @{ method = "GET"; url = $line }
                status  = [int] $response.StatusCode
                reason  = $response.StatusDescription
                headers = $headers
                body    = @{ bytes = $bytes.Length; sha256 = $hash }
            }
            $response.Close()
            Start-Sleep -Milliseconds 500
        }
    }
    Write-Text (Join-Path $work "answers.json") (ConvertTo-Json -Depth 6 -InputObject @($answers))

    # -- what this is --------------------------------------------------------------------------------------
    $version = (Get-ItemProperty "HKLM:\SOFTWARE\Microsoft\InetStp").VersionString
    $about = @{
        format   = "fcgiemu-capture"
        version  = 1
        made     = (Get-Date).ToUniversalTime().ToString("o")
        redacted = -not $NoRedaction
        iis      = "$version"
        windows  = [Environment]::OSVersion.VersionString
        site     = @{ name = $SiteName; id = [int] $site.id; physicalPath = $root }
    }
    Write-Text (Join-Path $work "bundle.json") (ConvertTo-Json -Depth 4 -InputObject $about)

    Add-Type -AssemblyName System.IO.Compression.FileSystem
    $target = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Output)
    if (Test-Path $target) { throw "$target exists already; remove it or give another -Output." }
    [IO.Compression.ZipFile]::CreateFromDirectory($work, $target)
    Write-Host "wrote $target; look into it before you send it to anybody."
}
finally {
    Remove-Item -Recurse -Force $work
}
