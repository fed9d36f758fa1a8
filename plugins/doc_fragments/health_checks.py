# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``checks``: everything that health_wait can wait for."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents what ``module_utils/_health/parse.py`` declares."""

    DOCUMENTATION = r"""
options:
  checks:
    description:
      - What to wait for. Each entry has exactly one of the keys O(checks[].http), O(checks[].tcp), O(checks[].unix),
        O(checks[].tls), O(checks[].docker), O(checks[].postgres), O(checks[].redis), O(checks[].systemd) and
        O(checks[].command).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What this check is called in the result. Made from its target when not given. Unique.
        type: str
      timeout:
        description: Seconds for this check, at most O(timeout), which is the default.
        type: float
      interval:
        description: Longest pause in seconds between two attempts. O(interval) by default.
        type: float
      probe_timeout:
        description: Seconds that one attempt may take. O(probe_timeout) by default.
        type: float
      successes:
        description: Successes in a row. O(successes) by default.
        type: int
      stable_for:
        description: Seconds without a failure since the first success in a row. O(stable_for) by default.
        type: float
      http:
        description: An answer over HTTP or HTTPS. Redirects are not followed.
        type: dict
        suboptions:
          url:
            description:
              - URL that starts with C(http://) or C(https://). It is shown in the result, so no secret belongs in it.
            type: str
            required: true
          method:
            description: Request method.
            type: str
            default: GET
          headers:
            description:
              - Request headers. Their values are secret, they appear nowhere in the output.
            type: dict
            default: {}
          username:
            description: User name of basic authentication.
            type: str
          password:
            description: Password of basic authentication.
            type: str
          body:
            description: Request body. It appears nowhere in the output.
            type: str
          status:
            description: Status codes that are healthy.
            type: list
            elements: int
            default: [200]
          response_headers:
            description: Header names of the answer, each with a regular expression that is searched in its value.
            type: dict
            default: {}
          body_regex:
            description: Regular expression that is searched in the body.
            type: str
          json:
            description:
              - Assertions on a JSON body, each as C(PATH OPERATOR VALUE), such as V(services.database == healthy).
              - A path has names and list indexes between dots; C(*) is every member, of which there must be one at
                least; a name with special characters goes in double quotes.
              - Operators are C(==), C(!=), C(<), C(<=), C(>), C(>=), C(=~) (regular expression), C(in) and C(not in)
                (values between commas), and C(exists) without a value.
            type: list
            elements: str
            default: []
          ca_file:
            description: File of CA certificates to trust instead of the system's. It may appear while waiting.
            type: path
          validate_certs:
            description: Whether the server must prove who it is.
            type: bool
            default: true
          address:
            description:
              - Where to connect instead of to the host of O(checks[].http.url), as C(host), C(host:port) or the path of
                a Unix socket. The request and the certificate are still for the host of the URL.
            type: str
      tcp:
        description: A port that accepts connections.
        type: dict
        suboptions:
          host:
            description: Name or address.
            type: str
            default: 127.0.0.1
          port:
            description: Port number.
            type: int
            required: true
          greeting:
            description: Regular expression that is searched in what the server says first, such as V(^SSH-2).
            type: str
      unix:
        description: A Unix stream socket that accepts connections.
        type: dict
        suboptions:
          path:
            description: Absolute path of the socket.
            type: path
            required: true
      tls:
        description: A TLS server with a trusted certificate for its name.
        type: dict
        suboptions:
          host:
            description: Name or address to connect to.
            type: str
            required: true
          port:
            description: Port number.
            type: int
            default: 443
          server_name:
            description: Name that the certificate must be for. O(checks[].tls.host) by default.
            type: str
          ca_file:
            description: File of CA certificates to trust instead of the system's. It may appear while waiting.
            type: path
          days_left:
            description: Days that the certificate must still be valid.
            type: float
            default: 0
      docker:
        description:
          - A container, or every container of a Compose service, that runs and is healthy. Needs the Python library
            docker (Debian package C(python3-docker)).
        type: dict
        suboptions:
          container:
            description: Name or id of the container. Excludes a project and service.
            type: str
          project:
            description: Name of the Compose project.
            type: str
          service:
            description: Name of the service in it.
            type: str
          replicas:
            description: How many containers the service must have at least.
            type: int
            default: 1
          health:
            description:
              - V(auto) asks health of containers that have a health check, V(required) of all, V(ignored) of none.
            type: str
            choices: [auto, required, ignored]
            default: auto
          max_restarts:
            description: How often a container may have been restarted since it was created. Any number by default.
            type: int
          fail_fast:
            description:
              - What fails the check at once. A restart loop is three restarts while waiting, or more than
                O(checks[].docker.max_restarts). A container that ran out of memory is one that stopped by it. What is
                not listed is waited out.
            type: list
            elements: str
            choices: [exited, oom_killed, restart_loop, unhealthy]
            default: [exited, oom_killed, restart_loop, unhealthy]
          docker_host:
            description: Address of the Engine. Taken from the environment by default, or else its local socket.
            type: str
      postgres:
        description:
          - A query that is answered, in a read-only transaction. Needs the Python library psycopg2 (Debian package
            C(python3-psycopg2)).
        type: dict
        suboptions:
          host:
            description: Name, address, or directory of the Unix socket.
            type: str
            default: 127.0.0.1
          port:
            description: Port number.
            type: int
            default: 5432
          database:
            description: Database name.
            type: str
            default: postgres
          username:
            description: User name.
            type: str
            default: postgres
          password:
            description: Password.
            type: str
          sslmode:
            description: As in libpq.
            type: str
            choices: [disable, allow, prefer, require, verify-ca, verify-full]
            default: prefer
          ca_file:
            description: File of CA certificates for O(checks[].postgres.sslmode).
            type: path
          query:
            description: Query that must succeed.
            type: str
            default: SELECT 1
          value:
            description:
              - What the first column of the first row must read. Booleans read V(true) and V(false), a null V(null).
            type: str
          role:
            description: Whether the server must be the primary or a standby in recovery.
            type: str
            choices: [any, primary, standby]
            default: any
      redis:
        description: A Redis server that answers C(PING) as the given user, verified by C(ACL WHOAMI).
        type: dict
        suboptions:
          host:
            description: Name or address.
            type: str
            default: 127.0.0.1
          port:
            description: Port number.
            type: int
            default: 6379
          path:
            description: Path of a Unix socket, instead of host and port.
            type: path
          username:
            description: ACL user to log in as.
            type: str
            default: default
          password:
            description: Password of that user.
            type: str
          role:
            description: Replication role that the server must have.
            type: str
            choices: [any, master, replica]
            default: any
          tls:
            description: Whether to speak TLS.
            type: bool
            default: false
          ca_file:
            description: File of CA certificates to trust instead of the system's.
            type: path
          server_name:
            description: Name that the certificate must be for. O(checks[].redis.host) by default.
            type: str
      systemd:
        description: A unit of the system manager that is active.
        type: dict
        suboptions:
          unit:
            description: Name of the unit; C(.service) is added when it has no suffix.
            type: str
            required: true
          fail_fast:
            description: What fails the check at once. A restart loop is three restarts while waiting.
            type: list
            elements: str
            choices: [failed, missing, restart_loop]
            default: [failed, missing, restart_loop]
      command:
        description:
          - A program that exits as expected. It is run without a shell, again and again, and once in check mode. The
            arguments are shown in the result, so no secret belongs in them.
        type: dict
        suboptions:
          argv:
            description: Program and arguments.
            type: list
            elements: str
            required: true
          rc:
            description: Exit codes that are healthy.
            type: list
            elements: int
            default: [0]
          stdout:
            description: Regular expression that is searched in the standard output.
            type: str
          chdir:
            description: Directory to run in.
            type: path
"""
