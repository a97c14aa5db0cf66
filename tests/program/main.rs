//! Tests of the real program and the real reactor: processes, sockets on loopback, files.

mod cli_control;
mod cli_doctor;
mod cli_faults;
mod cli_key;
mod cli_network;
mod cli_rates;
mod cli_restart;
mod cli_service;
mod cli_stop;
mod cli_transfer;
mod cli_usage;
mod disk_faults;
mod idle;
mod large_shares;
mod manual;
mod reactor_transfer;
mod service;
mod settings;
mod support;
