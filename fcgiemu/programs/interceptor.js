'use strict';

// What Node runs in front of an application of iisnode: it takes itself out of the command line,
// keeps what the application prints in files of the logging folder, and loads the application. The
// files, their names and their limits are those of iisnode's interceptor; what is printed goes to
// the console as well.

const fs = require('fs');
const os = require('os');
const path = require('path');

function keepOutput() {
    const folder = path.resolve(
        path.dirname(process.argv[1]), process.env.IISNODE_LOGDIRECTORY || 'iisnode');
    const begin = (process.env.COMPUTERNAME || os.hostname().toUpperCase()) + '-' + process.pid;
    const limits = {
        file: kilobytes('IISNODE_MAXLOGFILESIZEINKB', 128),
        total: kilobytes('IISNODE_MAXTOTALLOGFILESIZEINKB', 1024),
        count: Number(process.env.IISNODE_MAXLOGFILES) || 20
    };
    for (const name of ['stdout', 'stderr']) {
        const stream = process[name];
        const log = new Log(folder, begin + '-' + name, limits);
        const print = stream.write.bind(stream);
        // As with iisnode, nothing is returned and no callback is called.
        stream.write = function (chunk, encoding) {
            const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
            log.add(text.replace(/\r?\n/g, '\r\n'));
            print(chunk, typeof encoding === 'string' ? encoding : undefined);
        };
    }
    process.on('uncaughtException', function (error) {
        if (process.listenerCount('uncaughtException') > 1) {
            return; // the application handles it
        }
        process.stderr.write('Application has thrown an uncaught exception and is terminated:\n' +
            (error && error.stack || String(error)) + '\n');
        process.exit(1);
    });
}

function kilobytes(name, otherwise) {
    return (Number(process.env[name]) || otherwise) * 1024;
}

function Log(folder, begin, limits) {
    this.folder = folder;
    this.begin = begin;
    this.limits = limits;
    this.file = null;
    this.size = 0;
}

Log.prototype.add = function (text) {
    try {
        if (this.file === null || this.size > this.limits.file) {
            this.open();
        }
        fs.appendFileSync(this.file, text);
        this.size += Buffer.byteLength(text);
    } catch (error) {
        this.file = null; // what cannot be kept is lost
    }
};

Log.prototype.open = function () {
    fs.mkdirSync(this.folder, { recursive: true });
    this.file = path.join(this.folder, this.begin + '-' + Date.now() + '.txt');
    this.size = 0;
    fs.appendFileSync(this.file, '');
    const kept = removeOldest(logs(this.folder), this.limits, this.file);
    fs.writeFileSync(path.join(this.folder, 'index.html'), page(kept));
};

function logs(folder) {
    const found = [];
    for (const name of fs.readdirSync(folder)) {
        const match = /^(.*)-(\d+)-(stdout|stderr)-(\d+)\.txt$/.exec(name);
        if (match) {
            const file = path.join(folder, name);
            found.push({
                name: name, file: file, computer: match[1], pid: match[2], stream: match[3],
                made: Number(match[4]), size: fs.statSync(file).size
            });
        }
    }
    return found.sort(function (a, b) { return b.made - a.made; });
}

// The newest files within the limits; the others are removed.
function removeOldest(found, limits, current) {
    let total = 0;
    return found.filter(function (log, index) {
        total += log.size;
        if (log.file === current || index < limits.count && total <= limits.total) {
            return true;
        }
        try {
            fs.unlinkSync(log.file);
        } catch (error) {
            // another process was faster
        }
        return false;
    });
}

function page(kept) {
    const rows = kept.map(function (log) {
        return '<tr><td>' + [
            escaped(log.computer), log.pid, log.stream, new Date(log.made).toISOString(), log.size,
            '<a href="' + encodeURIComponent(log.name) + '">log</a>'
        ].join('</td><td>') + '</td></tr>';
    });
    return '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Logs of iisnode</title></head>' +
        '<body><h1>Logs of iisnode</h1><table><tr><th>Computer</th><th>Process</th>' +
        '<th>Stream</th><th>Begun</th><th>Bytes</th><th></th></tr>\n' + rows.join('\n') +
        '</table></body></html>\n';
}

function escaped(text) {
    return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

process.argv.splice(1, 1);

if (process.env.IISNODE_LOGGINGENABLED) {
    keepOutput();
}
require(path.resolve(process.argv[1]));
