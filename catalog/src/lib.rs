//! The catalog: products from merchants' exports, served from memory.

mod config;
mod database;
mod feed;
mod follow;
mod generate;
mod image;
mod import;
mod product;
mod serve;

pub use config::{Command, Config, GenerateArgs, ImportArgs, ServeArgs};
pub use serve::{openapi, serve};

/// Runs a subcommand other than `serve`; the number is the process's exit code.
pub async fn run_tool(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Import(args) => import::run(args).await,
        Command::Generate(args) => generate::run(&args),
        Command::Serve(_) => Ok(0),
    }
}
