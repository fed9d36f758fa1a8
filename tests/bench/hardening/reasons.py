# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why rules of the judges stay failed with the profile strict: what was decided, by names of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

UNDECIDED = "not decided"
Reasons = dict[str, tuple[str, ...]]

BENEATH = (
    "the machine beneath a container: partitions, what is on them, boot loader, AppArmor, a running auditd and"
    " clock, kernel settings that its kernel lacks"
)
# Each reason with the rules of OpenSCAP that it is for, as patterns.
RULES: Reasons = {
    BENEATH: (
        "apparmor_configured",
        "audit_rules_privileged_commands",
        "file_group_ownership_var_log_audit",
        "grub2_enable_apparmor",
        "mount_option_nodev_nonroot_local_partitions",
        "ntp_single_service_active",
        "package_*apparmor*",
        "partition_for_*",
        "prefer_64bit_os",
        "service_auditd_enabled",
        "service_timesyncd_enabled",
        "sysctl_kernel_sysrq",
        "sysctl_kernel_yama_ptrace_scope",
        "sysctl_net_core_bpf_jit_harden",
    ),
    "Docker forwards between containers, mounts images with overlay and starts many processes": (
        "kernel_module_overlayfs_disabled",
        "sysctl_kernel_pid_max",
        "sysctl_net_ipv4_ip_forward",
        "sysctl_net_ipv?_conf_*_forwarding",
    ),
    "one of two that do the same: nftables and not ufw, timesyncd and not chrony, the journal and not rsyslog": (
        "journald_forward_to_syslog",
        "package_chrony_installed",
        "package_rsyslog*",
        "package_ufw_installed",
        "rsyslog_*",
        "service_chronyd_or_ntpd_enabled",
        "service_rsyslog_enabled",
    ),
    "nftables.service flushes every table when it starts, Docker's too: the role's own has a unit of its own": (
        "firewall_single_service_active",
        "service_nftables_enabled",
        "set_nftables_base_chain",
    ),
    "no log host was named": ("package_systemd-journal-remote_installed", "systemd_journal_upload_*"),
    "mail sent elsewhere, which no role here does": ("postfix_client_*",),
    "its way to another auditd is not encrypted without Kerberos": ("package_audit-audispd-plugins_installed",),
    "Ansible becomes root by sudo without a password and a terminal, and services read what it writes": (
        "file_permissions_sudo",
        "sudo_add_noexec",
        "sudo_add_requiretty",
        "sudo_add_umask",
        "sudo_dedicated_group",
        "sudo_require_authentication",
        "sudoers_explicit_command_args",
        "sudoers_no_root_target",
    ),
    "the pattern asks for a line that skips a second factor (`sufficient ... authsucc`); the lock itself is tested": (
        "accounts_passwords_pam_faillock_*",
    ),
    "the pattern knows one value, and this one is stricter: which keys were tried is logged, the kernel's addresses are"
    " hidden from root too, more performance counters are refused, a dead session ends sooner (as Lynis asks)": (
        "sshd_set_idle_timeout",
        "sshd_set_keepalive",
        "sshd_set_loglevel_info",
        "sysctl_kernel_kptr_restrict",
        "sysctl_kernel_perf_event_paranoid",
    ),
    "auditd would stop the host, fill its disk, or write mail that nobody gets": ("auditd_data_*",),
    "done under another name: the database of AIDE, whose former name in its configuration the rule looks for; `kmod`,"
    " of which `insmod` is a link; the folder in use; logs rotated by the week": (
        "aide_build_database",
        "audit_rules_login_events_faillock",
        "audit_rules_privileged_commands_*",
        "ensure_logrotate_activated",
    ),
    "a host has to come back from a restart without somebody who types a password": ("grub2_*password",),
    "profiles that the distribution ships without confinement": ("all_apparmor_profiles_enforced",),
    "auditd does not start at all when one rule that a kernel lacks counts as an error": (
        "audit_rules_continue_loading",
    ),
    "people would notice: packages lose what they recommend, networks with two interfaces, modules loaded after boot,"
    " root's own password": (
        "accounts_password_set_max_life_root",
        "apt_disable_weak_dependencies",
        "sysctl_kernel_modules_disabled",
        "sysctl_net_ipv4_conf_all_arp_*",
        "sysctl_net_ipv4_conf_all_drop_gratuitous_arp",
        "sysctl_net_ipv6_conf_*_max_addresses",
    ),
    "ANSSI's 077 instead of CIS' 027 would hide files from one's own group": ("accounts_umask_*",),
    "the rule reads a file of the distribution's that one in /etc stands in for (Debian 12)": (
        "sysctl_fs_protected_fifos",
    ),
    "rounds are SHA-512's; passwords are hashed by yescrypt": ("accounts_password_pam_unix_rounds_*",),
    "the file that the rule reads is not read by Debian's PAM any more": ("no_direct_root_logins",),
}

# The same for the findings of Lynis.
BENEATH_FINDINGS = "the machine beneath a container"
FINDINGS: Reasons = {
    BENEATH_FINDINGS: ("ACCT-9628", "FILE-6310", "KRNL-5788", "MACF-6290"),
    "a host has to come back from a restart without somebody who types a password": ("BOOT-5122",),
    "run levels, which are kept no longer on Debian 13": ("BOOT-5180",),
    "logs go to a log host by systemd's own way, which is not looked at; the domain of the host is nobody's here": (
        "LOGG-2154",
        "NAME-4028",
    ),
    "the port of SSH hides nothing": ("SSH-7408",),
    "Docker forwards": ("KRNL-6000",),
    "units of the distribution, as it ships them": ("BOOT-5264",),
    "apt-listbugs stops apt when a bug is known, security updates as well": ("DEB-0810",),
    "an account with keys only counts as locked": ("AUTH-9284",),
    "Ansible comes from elsewhere and leaves nothing to find": ("TOOL-5002",),
    "with mode 0000 the helper with which PAM checks passwords could not read `/etc/shadow`": ("FILE-7524",),
}


# What stays failed on a virtual machine instead of what a container lacks.
MACHINE_RULES: Reasons = {
    "the disk is divided as CIS asks; ANSSI asks for more": ("partition_for_*",),
    "they cost speed or half of the processors; `hardening_boot_arguments` takes them": (
        "grub2_*_argument",
        "grub2_*_force",
        "grub2_spec_store_bypass_disable_*",
    ),
    "operators run scripts of their own, and packages and containers programs below /var": ("mount_option_*_noexec",),
    "it confines accounts for which there are profiles, and nobody writes those": ("package_pam_apparmor_installed",),
}


def of_machine(reasons: Reasons) -> Reasons:
    """The reasons for a virtual machine, which has what a container lacks."""
    return MACHINE_RULES | {why: names for why, names in reasons.items() if why not in {BENEATH, BENEATH_FINDINGS}}


def by_reason(names: Iterable[str], reasons: Reasons) -> dict[str, list[str]]:
    """Sort names of rules by the reason why they stay failed, in the order of ``reasons``."""
    found: dict[str, list[str]] = {why: [] for why in [*reasons, UNDECIDED]}
    for name in sorted(names):
        fitting = (why for why, patterns in reasons.items() if any(fnmatchcase(name, each) for each in patterns))
        found[next(fitting, UNDECIDED)].append(name)
    return {why: sorted_names for why, sorted_names in found.items() if sorted_names}
