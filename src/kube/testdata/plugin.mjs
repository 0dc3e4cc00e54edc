#!/usr/bin/env node
// A credential plugin for tests: it keeps notes of its runs, and answers as the file that it is told of says.
import { appendFileSync, readFileSync } from 'node:fs'

const folder = process.argv[2]
const { KUBERNETES_EXEC_INFO, PLUGIN_NOTE = '' } = process.env
const note = { args: process.argv.slice(3), info: JSON.parse(KUBERNETES_EXEC_INFO), note: PLUGIN_NOTE }
appendFileSync(`${folder}/runs`, `${JSON.stringify(note)}\n`)
const { wait = 0, stderr = '', stdout, status = 0, answer } = JSON.parse(readFileSync(`${folder}/plan`, 'utf8'))
if (stderr) process.stderr.write(stderr)
await new Promise((resolve) => setTimeout(resolve, wait))
const { apiVersion } = note.info
process.stdout.write(stdout ?? JSON.stringify({ kind: 'ExecCredential', apiVersion, status: answer }))
process.exitCode = status
