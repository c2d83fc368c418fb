import { expect, test } from 'vitest'
import { requestOf } from './request.ts'

const url = 'https://api.example.com/'

test('path segments come from the input, the rest goes into the query of a GET', () => {
  const input = { id: 'a/b c', state: ['new', 'in-case'], limit: 5, cursor: undefined, archived: false }
  const { url: target, init } = requestOf(url, { method: 'GET', path: '/cases/{id}/tasks' }, input)
  expect(target.href).toBe(
    'https://api.example.com/api/v1/cases/a%2Fb%20c/tasks?state=new&state=in-case&limit=5&archived=false',
  )
  expect(init).toEqual({ method: 'GET', headers: {} })
})

test('the rest goes into the JSON body of a write, with null kept', () => {
  const { url: target, init } = requestOf(url, { method: 'PATCH', path: '/cases/{id}' }, { id: 'x', ownerId: null })
  expect(target.href).toBe('https://api.example.com/api/v1/cases/x')
  expect(init.body).toBe('{"ownerId":null}')
})

test.each(['..', '.', '', undefined, 7])('a path segment %j cannot lead to another operation', (id) => {
  expect(() => requestOf(url, { method: 'DELETE', path: '/members/{id}/sessions' }, { id })).toThrow(TypeError)
})
