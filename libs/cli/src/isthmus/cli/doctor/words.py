"""What an administrator of a PACS is to change, in the words of Orthanc, dcm4chee, dcmqrscp, and of any."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are to a PACS."""

    ae_title: str
    host: str
    """The address that it sees of us."""
    port: int
    """Of our scp."""
    tls: bool = False
    """Whether that port speaks TLS."""

    @property
    def orthanc(self) -> str:
        """The entry of Orthanc's configuration."""
        entry = f'"AET": "{self.ae_title}", "Host": "{self.host}", "Port": {self.port}'
        if self.tls:
            entry += ', "UseDicomTls": true'
        return f'"DicomModalities": {{"isthmus": {{{entry}}}}}'


def known(us: Us) -> tuple[str, ...]:
    """Have us known, as a client and as a C-MOVE destination."""
    return (
        f"any PACS: add a remote AE (node, modality, device) with the AE title {us.ae_title}, host {us.host},"
        f" port {us.port}{', with TLS' if us.tls else ''}",
        f"Orthanc: in its configuration {us.orthanc}, and restart it",
        f"dcm4chee: Configuration, Devices, Application Entities: a new AE {us.ae_title} with a connection to"
        f" {us.host}, port {us.port}; and where the archive's AE lists Accepted Calling AE Titles,"
        f" {us.ae_title} among them",
        f"dcmqrscp: in its HostTable isthmus = ({us.ae_title}, {us.host}, {us.port}), and isthmus among the"
        " peers of its AE in AETable, and restart it",
    )


def allowed(us: Us, operation: str) -> tuple[str, ...]:
    """Have an operation allowed: `Find`, `Get`, `Move`, `Echo` or `Store`, as Orthanc calls it."""
    return (
        f"any PACS: let the AE {us.ae_title} (from {us.host}) do C-{operation.upper()}",
        f'Orthanc: {us.orthanc}, where "Allow{operation}" must not be false;'
        f' or "DicomAlwaysAllow{operation}": true for everybody; and restart it',
        f"dcm4chee: the archive's AE must have {us.ae_title} among its Accepted Calling AE Titles, where it"
        " has any, and a Transfer Capability for the operation",
    )


def offered(us: Us, service: str) -> tuple[str, ...]:
    """Have a service offered to us: such as "Study Root Query/Retrieve - FIND"."""
    return (
        f"any PACS: enable {service} (as SCP) for the AE {us.ae_title}: there may be a licence for it",
        f"dcm4chee: give the archive's AE a Transfer Capability for {service}, with the role SCP",
    )
