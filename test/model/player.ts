import { playSeed } from './run.ts'

/** A process that plays the seeds that it is sent, one after another. */
process.on('message', (seed: number) => {
  playSeed(seed, process.argv.includes('wild')).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      throw error
    },
  )
})
process.on('disconnect', () => process.exit(0))
