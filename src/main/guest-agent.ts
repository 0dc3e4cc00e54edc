/** The agent in a QEMU machine of the sandbox: does what the host asks over a virtio-serial port. It is in no shipped image. */
import { GuestAgent } from '../sandbox/qemu/guest/agent.ts'
import { findPort, GuestPort } from '../sandbox/qemu/guest/port.ts'
import { agentPortName } from '../sandbox/qemu/requests.ts'

await new GuestAgent(new GuestPort(findPort(agentPortName))).serve()
