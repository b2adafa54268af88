//! Debian's nginx as a cache: its configuration, and a private instance.

use std::{fs, path::Path};

use anyhow::Context;
use backing_servers::{Packaged, free_port, guarded};

use super::{
    origin::Origin,
    server::{Server, private_directory},
};

pub(super) const PACKAGE: Packaged = Packaged { program: "/usr/sbin/nginx", name: "nginx", package: "nginx" };

/// What an operator who wants speed would write: a worker for each processor with its own listening socket, connections that stay open,
/// no access log, files and their metadata kept open, the cache on a file system in memory when there is one.
fn configuration(port: u16, origin: &str, directory: &Path, workers: usize) -> String {
    let directory = directory.display();
    // The private directory is the starting user's; workers of another user could not write to it.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "{user}daemon off;\nworker_processes {workers};\nworker_cpu_affinity auto;\nworker_rlimit_nofile 65536;\n\
         pid {directory}/pid;\nerror_log {directory}/log warn;\n\
         events {{\n  worker_connections 16384;\n  multi_accept on;\n}}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  tcp_nodelay on;\n  server_tokens off;\n\
         \x20 keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n\
         \x20 open_file_cache max=100000 inactive=600s;\n  open_file_cache_valid 600s;\n  open_file_cache_min_uses 1;\n\
         \x20 client_body_temp_path {directory}/body;\n  proxy_temp_path {directory}/proxy;\n  fastcgi_temp_path {directory}/fastcgi;\n\
         \x20 uwsgi_temp_path {directory}/uwsgi;\n  scgi_temp_path {directory}/scgi;\n\
         \x20 proxy_cache_path {directory}/cache levels=1:2 keys_zone=all:64m max_size=512m inactive=1h use_temp_path=off;\n\
         \x20 upstream origin {{\n    server {origin};\n    keepalive 64;\n  }}\n\
         \x20 server {{\n    listen 127.0.0.1:{port} reuseport backlog=4096;\n    location / {{\n      proxy_pass http://origin;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_cache all;\n      proxy_cache_lock on;\n\
         \x20     add_header X-Cache $upstream_cache_status;\n    }}\n  }}\n}}\n"
    )
}

pub(super) fn start(origin: Origin, otherwise: &Path) -> anyhow::Result<Server> {
    let (port, directory) = (free_port()?, private_directory("nginx", otherwise)?);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let file = directory.join("nginx.conf");
    let text = configuration(port, &origin.address().to_string(), &directory, workers);
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    let mut command = guarded(Path::new(PACKAGE.program), None, "TERM");
    command.arg("-p").arg(&directory).arg("-c").arg(&file).arg("-e").arg(directory.join("log"));
    Server::start("nginx", command, port, Some(origin), directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_the_private_directory_and_on_the_loopback_interface() {
        let text = configuration(12345, "127.0.0.1:23456", Path::new("/private"), 2);
        assert!(text.contains("listen 127.0.0.1:12345 reuseport") && text.contains("server 127.0.0.1:23456;"), "{text}");
        assert!(text.contains("worker_processes 2;") && text.contains("access_log off;") && text.contains("proxy_cache all;"));
        let paths =
            text.lines().filter(|line| line.contains("_path ") || line.starts_with("pid") || line.starts_with("error_log"));
        assert_eq!(paths.map(|line| assert!(line.contains(" /private/"), "{line}")).count(), 8);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
