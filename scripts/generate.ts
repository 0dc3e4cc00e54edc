/** `npm run generate`: writes every generated file; with `--check` fails when one is out of date. */
console.log('nothing to generate yet')
